"""Saliency: class activation maps show where in a picture a model looks.

The setting ``method:`` of a class activation map is a key of ``METHODS``. Each method is a class of the grad-cam
package, or a variant of one. A new method is one line here. These are left out: RandomCAM, because it draws its weights
(``conceptrast.saliency.chance_maps`` has drawn maps); FullGrad and guided backpropagation, because they change modules
of the network and do not read a layer; FinerCAM, because it equals Grad-CAM if the target is a difference of classes;
RefineCAM and SESS, because they combine maps of several layers or crops.
"""

CLASS_BLIND = frozenset({"eigen_cam", "fem", "kpca_cam"})
"""Methods that do not look at the class: their maps are the same for every class."""

METHODS = {
    "ablation_cam": "conceptrast.saliency.cam_variants:AblationCAM",
    "eigen_cam": "conceptrast.saliency.cam_variants:EigenCAM",
    "eigen_grad_cam": "pytorch_grad_cam:EigenGradCAM",
    "fem": "pytorch_grad_cam:FEM",
    "grad_cam": "pytorch_grad_cam:GradCAM",
    "grad_cam_elementwise": "pytorch_grad_cam:GradCAMElementWise",
    "grad_cam_plus_plus": "pytorch_grad_cam:GradCAMPlusPlus",
    "hires_cam": "pytorch_grad_cam:HiResCAM",
    "kpca_cam": "pytorch_grad_cam:KPCA_CAM",
    "layer_cam": "pytorch_grad_cam:LayerCAM",
    "score_cam": "conceptrast.saliency.cam_variants:ScoreCAM",
    "seg_eigen_cam": "pytorch_grad_cam:SegEigenCAM",
    "shapley_cam": "conceptrast.saliency.cam_variants:ShapleyCAM",
    "xgrad_cam": "pytorch_grad_cam:XGradCAM",
}
